//! The host's way and the portable way must agree, on results and on MXCSR.
