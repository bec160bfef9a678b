"""What the judges are told: dimensions, rubric packs, and the messages made from them."""
