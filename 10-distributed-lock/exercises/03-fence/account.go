// Package account is a resource behind a lock.
package account

import "errors"

// What the account refuses.
var (
	ErrStale  = errors.New("a newer holder has been here")
	ErrForged = errors.New("nobody has drawn this token")
)

// Account is what a customer owes for one order. One goroutine uses it.
type Account struct {
	drawn int
	bills int
}

// Draw gives out the next token.
func (a *Account) Draw() int {
	a.drawn++
	return a.drawn
}

// Look says whether the order is billed.
func (a *Account) Look(token int) (billed bool, err error) {
	return a.bills > 0, nil
}

// Bill takes the customer's money.
func (a *Account) Bill(token int) error {
	a.bills++
	return nil
}

// Bills is how often the customer has paid.
func (a *Account) Bills() int { return a.bills }
