"""What each view of the market says on data of one's own, how steady that is, and what it said when markets fell."""
