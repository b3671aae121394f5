//! [`Media`]: the reader of the stage that may read.

use super::{News, Reader};
use crate::config::platform::Medium;
use crate::run::core::MediaNews;
use crate::sys::poll::Interest;

/// Whether media are read here, and who does it.
#[derive(Default)]
pub enum Media {
    /// Not in this stage: the supervisor has neither the rights nor, after a change of the root, the same files.
    #[default]
    NotHere,
    /// In this stage, when somebody wants it.
    Allowed,
    /// By this child.
    Reading(Reader, Vec<Medium>),
}

impl Media {
    /// Starts to read `media`; answers with what is said at once.
    pub fn start(&mut self, media: Vec<Medium>) -> Option<MediaNews> {
        if matches!(self, Self::NotHere) {
            return Some(MediaNews::Ended);
        }
        match Reader::start(media.clone()) {
            Ok(reader) => {
                *self = Self::Reading(reader, media);
                None
            }
            Err(error) => {
                log::error!("media: {error}");
                Some(MediaNews::Ended)
            }
        }
    }

    /// To be watched.
    pub fn interest(&self) -> Option<Interest<'_>> {
        match self {
            Self::Reading(reader, _) => Some(Interest::read(reader.fd())),
            Self::NotHere | Self::Allowed => None,
        }
    }

    /// What was said since the last time.
    pub fn take(&mut self) -> Vec<MediaNews> {
        let Self::Reading(reader, media) = self else {
            return Vec::new();
        };
        let news = reader.take();
        let ended = news.contains(&News::Ended);
        let news = news.into_iter().filter_map(|news| match news {
            News::Found { medium, found } => Some(MediaNews::Found(*media.get(medium)?, found)),
            News::Scanned => Some(MediaNews::Scanned),
            News::Ended => Some(MediaNews::Ended),
        });
        let news = news.collect();
        if ended {
            self.close();
        }
        news
    }

    /// Drivers are there now.
    pub fn rescan(&mut self) {
        if let Self::Reading(reader, _) = self {
            reader.rescan();
        }
    }

    /// Nobody wants to know more.
    pub fn close(&mut self) {
        if let Self::Reading(..) = self {
            *self = Self::Allowed;
        }
    }
}
