"""Masks personal details in texts before a model learns them: `penname.data.masking.masker`."""
