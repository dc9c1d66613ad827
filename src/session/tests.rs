//! Tests of the session on small recordings.
