"""The serving station: validates, routes, computes and journals predictions; production never depends on a challenger."""
