//! vboxmcp
