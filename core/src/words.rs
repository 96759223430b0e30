//! The word tools: words of a text for search, popular words, and the word filter.
//!
//! All three fold text in the same way (NFKC, lower case, without invisible characters) and
//! cut Chinese by a dictionary, which is loaded when the first Chinese text comes.

mod confusable;
mod filter;
mod fold;
mod leet;
mod list;
mod popular;
mod reload;
mod segment;

pub use filter::{FilterSources, Hit, WordFilter};
pub use list::{FilterError, LIST_BYTES_MAX, TERM_CHARS_MAX};
pub use popular::{POPULAR_WORDS_MAX, StopWords, WORD_CHARS_MAX, popular_words};
pub use reload::{WordSources, Words};
pub use segment::{TOKEN_CHARS_MAX, TOKENS_MAX, index_tokens, query_tokens};

/// What stands in the place of each masked character.
pub const MASK: char = '*';

#[cfg(test)]
mod tests;
