//! The word tools: segmentation, popular words, the filter.
