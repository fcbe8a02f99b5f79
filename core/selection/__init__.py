"""Selection: criteria that order examples, budgets that cut the order, and the random envelope."""
