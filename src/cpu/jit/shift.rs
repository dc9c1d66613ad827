//! Templates of shifts, rotates, products and quotients, whose flags the model settles where the manual does not.
