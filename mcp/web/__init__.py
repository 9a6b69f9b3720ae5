"""What every page of the portal and the console shares: headers, error pages, paging, submitting once."""
