// Package correct changes one field of an event that another program has written.
package correct

import (
	"encoding/json"
	"errors"
	"fmt"
)

// Email puts another address into the event.
func Email(event []byte, address string) ([]byte, error) {
	var members map[string]json.RawMessage // their values stay bytes
	if err := json.Unmarshal(event, &members); err != nil {
		return nil, fmt.Errorf("read the event: %w", err)
	}
	if _, has := members["user_email"]; !has {
		return nil, errors.New("the event has no user_email")
	}
	value, err := json.Marshal(address)
	if err != nil {
		return nil, fmt.Errorf("write the address: %w", err)
	}
	members["user_email"] = value
	return json.Marshal(members)
}
