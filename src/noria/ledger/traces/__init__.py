"""What a program did, step by step: traces, their spans, and what people and judges said of them."""
