//! Every command of the chat line, played on a pseudo-terminal.
