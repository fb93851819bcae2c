//! That the simulator finds bugs: it is run with each of the planted ones, and must fail.
