package services

import (
	"errors"
	"fmt"
	"io"
	"net/http"
)

// errNoSuch is the answer 404.
var errNoSuch = errors.New("no such thing")

// doHTTP makes one request and returns the body of a 2xx answer, at most 1 MiB of it.
func doHTTP(req *http.Request, what string) ([]byte, error) {
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	switch {
	case res.StatusCode == http.StatusNotFound:
		return nil, fmt.Errorf("%s: %w", what, errNoSuch)
	case res.StatusCode == http.StatusUnauthorized:
		return nil, fmt.Errorf("%s refuses the user name or password", what)
	case res.StatusCode/100 != 2:
		return nil, fmt.Errorf("%s answers %s: %.200s", what, res.Status, body)
	}
	return body, nil
}
