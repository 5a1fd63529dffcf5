"""From stored responses to numbers: grading, statistics, comparison, agreement, averages, published scores."""
