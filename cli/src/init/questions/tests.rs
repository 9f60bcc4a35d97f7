//! Which questions are left, by facts and by what was said.
