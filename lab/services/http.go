package services

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

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

func jaegerAddress(otlp, page int) address {
	return address{
		URL:  fmt.Sprintf("http://127.0.0.1:%d", otlp),
		Page: fmt.Sprintf("http://127.0.0.1:%d", page),
	}
}

func seqAddress(port int) address {
	u := fmt.Sprintf("http://127.0.0.1:%d", port)
	return address{URL: u, Page: u}
}

// otlpHandshake sends an empty batch of spans, which a receiver of OTLP over HTTP accepts
// (OpenTelemetry Protocol 1.5, section OTLP/HTTP). OTLP has no way to ask for a version.
func otlpHandshake(ctx context.Context, a address) (string, error) {
	url := strings.TrimSuffix(a.URL, "/") + "/v1/traces"
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader("{}"))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/json")
	_, err = doHTTP(req, "OTLP over HTTP")
	return "", err
}

// seqHandshake asks Seq for its version, which its API gives without a login.
func seqHandshake(ctx context.Context, a address) (string, error) {
	url := strings.TrimSuffix(a.URL, "/") + "/api"
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	body, err := doHTTP(req, "Seq")
	if err != nil {
		return "", err
	}
	var info struct{ Product, Version string }
	if err := json.Unmarshal(body, &info); err != nil || !strings.Contains(info.Product, "Seq") {
		return "", errors.New("what answers there is not Seq")
	}
	return info.Version, nil
}
