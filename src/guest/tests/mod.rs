//! The guest view on memory made by hand.
