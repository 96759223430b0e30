//! One suite per contract; every implementation passes it.
