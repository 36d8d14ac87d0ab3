"""How well the measures of cases agree with the scores that radiologists gave them."""
