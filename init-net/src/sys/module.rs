//! finit_module(2), and the compressions that modules come in.

use std::ffi::CStr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use nix::kmod::{ModuleInitFlags, finit_module, init_module};

use super::file;

/// Largest module, unpacked, bytes. The largest of Debian 12 (amdgpu) has 26 MiB; network drivers have below 5.
const MAX_MODULE: usize = 64 << 20;

/// MODULE_INIT_COMPRESSED_FILE, include/uapi/linux/module.h: the kernel unpacks (5.17, CONFIG_MODULE_DECOMPRESS).
const COMPRESSED_FILE: u32 = 4;

/// Whether a module was new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loaded {
    /// It is loaded now.
    New,
    /// It was there already.
    Already,
}

/// Loads the module at `path` with `parameters` (`max_bonds=0`). Everything it needs must be there.
pub fn load(path: &Path, parameters: &CStr) -> io::Result<Loaded> {
    let extension = path.extension().unwrap_or_default();
    let flags = if extension == "ko" {
        0
    } else {
        COMPRESSED_FILE
    };
    let first = finit_module(
        File::open(path)?,
        parameters,
        ModuleInitFlags::from_bits_retain(flags),
    );
    // A kernel that cannot unpack says EOPNOTSUPP or EINVAL (no such flag), and ENOEXEC for another compression.
    let unpack = extension != "ko"
        && matches!(
            first,
            Err(nix::Error::EOPNOTSUPP | nix::Error::EINVAL | nix::Error::ENOEXEC)
        );
    let outcome = if unpack {
        let packed = file::read(path, MAX_MODULE)?;
        let image = match extension.to_str() {
            Some("xz") => unxz(&packed),
            Some("zst") => unzstd(&packed),
            Some("gz") => gunzip(&packed),
            _ => Err(io::ErrorKind::InvalidInput.into()),
        }?;
        init_module(&image, parameters)
    } else {
        first
    };
    match outcome {
        Ok(()) => Ok(Loaded::New),
        Err(nix::Error::EEXIST) => Ok(Loaded::Already),
        Err(error) => Err(error.into()),
    }
}

/// Collects at most [`MAX_MODULE`] bytes.
struct Limited(Vec<u8>);

impl Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_MODULE {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn unxz(mut packed: &[u8]) -> io::Result<Vec<u8>> {
    let mut image = Limited(Vec::new());
    lzma_rs::xz_decompress(&mut packed, &mut image).map_err(|_| invalid("xz"))?;
    Ok(image.0)
}

fn unzstd(packed: &[u8]) -> io::Result<Vec<u8>> {
    let decoder = ruzstd::decoding::StreamingDecoder::new(packed).map_err(|_| invalid("zstd"))?;
    let mut image = Vec::new();
    decoder
        .take(MAX_MODULE as u64 + 1)
        .read_to_end(&mut image)?;
    if image.len() > MAX_MODULE {
        Err(io::ErrorKind::FileTooLarge.into())
    } else {
        Ok(image)
    }
}

/// RFC 1952, one member. The checksum is not compared: the kernel checks the image it is given.
fn gunzip(packed: &[u8]) -> io::Result<Vec<u8>> {
    let body = gzip_body(packed).ok_or_else(|| invalid("gzip"))?;
    miniz_oxide::inflate::decompress_to_vec_with_limit(body, MAX_MODULE)
        .map_err(|_| invalid("gzip"))
}

/// What follows the header of RFC 1952 §2.3: ten bytes, then optional fields by flag.
fn gzip_body(packed: &[u8]) -> Option<&[u8]> {
    let ([0x1f, 0x8b, 8, flags, ..], mut rest) = packed.split_first_chunk::<10>()? else {
        return None;
    };
    if flags & FEXTRA != 0 {
        let ([low, high], after) = rest.split_first_chunk::<2>()?;
        rest = after.get(usize::from(u16::from_le_bytes([*low, *high]))..)?;
    }
    for text in [FNAME, FCOMMENT] {
        if flags & text != 0 {
            let end = rest.iter().position(|b| *b == 0)?;
            rest = rest.get(end + 1..)?;
        }
    }
    if flags & FHCRC != 0 {
        rest.get(2..)
    } else {
        Some(rest)
    }
}

const FHCRC: u8 = 1 << 1;
const FEXTRA: u8 = 1 << 2;
const FNAME: u8 = 1 << 3;
const FCOMMENT: u8 = 1 << 4;

fn invalid(what: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("not a whole {what} stream"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `printf 'module image\n' | xz --check=crc32`, `| zstd`, `| gzip` with a file name.
    const XZ: &str = "fd377a585a0000016922de360200210116000000742fe5a301000c6d6f64756c6520696d6167650a000000001f97e5790001210d75dca8d29042990d010000000001595a";
    const ZSTD: &str = "28b52ffd04586900006d6f64756c6520696d6167650acb8c1e55";
    const GZIP: &str =
        "1f8b080892d7006b00036d6f64756c652e6b6f00cbcd4f29cd4955c8cc4d4c4fe502001f97e5790d000000";

    fn bytes(hex: &str) -> Vec<u8> {
        let byte = |i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap();
        (0..hex.len()).step_by(2).map(byte).collect()
    }

    #[track_caller]
    fn check(unpack: fn(&[u8]) -> io::Result<Vec<u8>>, hex: &str) {
        let packed = bytes(hex);
        assert_eq!(unpack(&packed).unwrap(), b"module image\n");
        for end in 0..packed.len() / 2 {
            assert!(unpack(&packed[..end]).is_err(), "cut at {end}");
        }
    }

    #[test]
    fn unpacked() {
        check(unxz, XZ);
        check(unzstd, ZSTD);
        check(gunzip, GZIP);
    }

    #[test]
    fn no_bomb_fits() {
        assert!(Limited(vec![0; MAX_MODULE]).write(&[0]).is_err());
    }
}
