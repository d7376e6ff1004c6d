// Package upcast brings old events up to the newest version.
package upcast

import (
	"errors"
	"fmt"
	"maps"
	"math"
)

const newest = 3

var upcasters = map[int]func(map[string]any) error{
	1: func(body map[string]any) error {
		price, ok := body["price"].(float64)
		email, too := body["email"]
		if !ok || !too {
			return errors.New("email or price is missing")
		}
		delete(body, "email")
		delete(body, "price")
		body["user_email"], body["price_cents"] = email, int(math.Round(price*100))
		return nil
	},
	2: func(body map[string]any) error {
		if _, ok := body["user_email"]; !ok {
			return errors.New("user_email is missing")
		}
		body["currency"] = "EUR"
		return nil
	},
}

// Upcast returns the body as of version 3.
func Upcast(version int, body map[string]any) (map[string]any, error) {
	if version < 1 || version > newest {
		return nil, fmt.Errorf("version %d is unknown", version)
	}
	body = maps.Clone(body)
	for ; version < newest; version++ {
		if err := upcasters[version](body); err != nil {
			return nil, fmt.Errorf("version %d: %w", version, err)
		}
	}
	return body, nil
}
