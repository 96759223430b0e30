//! The first run, typed by somebody who knows nothing but what the screen says.
