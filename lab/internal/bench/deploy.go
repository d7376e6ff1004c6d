package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// askTimeout bounds how long a deployer may think about whether it begins.
const askTimeout = 15 * time.Second

// Deploy asks the step's deployer for another version. It returns when the deployer has said
// whether it begins; what comes of it stands in its log.
func (s *supervisor) Deploy(ctx context.Context, version string) error {
	doors := s.doorsOf(s.cfg.Step.Deployer())
	if len(doors) == 0 {
		return errors.New("the deployer is down")
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	target := url.URL{
		Scheme: "http", Host: doors[0], Path: "/deploy",
		RawQuery: url.Values{"version": {version}}.Encode(),
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, target.String(), nil)
	if err != nil {
		return fmt.Errorf("deploy %s: %w", version, err)
	}
	resp, err := s.client.Do(r)
	if err != nil {
		return fmt.Errorf("deploy %s: %w", version, err)
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		return fmt.Errorf("deploy %s: read the answer: %w", version, err)
	}
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("deploy %s: %s: %s", version, resp.Status, strings.TrimSpace(string(text)))
	}
	return nil
}
