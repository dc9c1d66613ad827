//! Tests of the terminal UI without a terminal: a fixed world to look at, screens of it, and what keys do in it.

mod fixed;
mod screens;
mod steps;
