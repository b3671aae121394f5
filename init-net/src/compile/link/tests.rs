//! Links of several sources.
