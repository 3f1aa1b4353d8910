//! The shape and the words of our own text, and the seeds of random tests.

mod seeds;
mod structure;
mod words;
