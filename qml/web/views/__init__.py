"""The pages: what each asks the store, and what its forms have it do."""
