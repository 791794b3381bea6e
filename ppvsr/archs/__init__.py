"""Networks: numbers in, layers out. No files, no names of variants, no downloads."""
