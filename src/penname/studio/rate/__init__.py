"""The pages on which a person chooses between texts without knowing what wrote them."""
