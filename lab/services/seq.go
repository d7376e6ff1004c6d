package services

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// Seq keeps log lines and searches them.
const Seq Kind = "seq"

// logsEndpoint is OpenTelemetry's variable for a place that takes the log lines alone.
const logsEndpoint = "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT"

var seq = trait{
	kind: Seq, title: "Seq", env: "SEQ_URL", ports: []int{5341}, inside: []int{80},
	address: func(ports []int) address {
		u := fmt.Sprintf("http://127.0.0.1:%d", ports[0])
		return address{URL: u, Page: u}
	},
	handshake: seqHandshake,
	named: func(_ context.Context, a address) (address, error) {
		a.Page = a.URL
		return a, nil
	},
	also: func(s *Server, all Servers) map[string]string {
		// A backend that somebody has named gets all three signals, and not two of them, unless a
		// Seq is named beside it.
		if all.named(Jaeger) && !s.named() {
			return nil
		}
		// Jaeger takes traces and Seq logs: each program tells them apart by these variables.
		return map[string]string{logsEndpoint: s.URL + "/ingest/otlp/v1/logs"}
	},
	boot: startSlack / 2, image: "datalust/seq:2025.2",
	containerEnv: []string{"ACCEPT_EULA=Y", "SEQ_FIRSTRUN_NOAUTHENTICATION=true"},
	standIn:      oneReceiver, judged: true,
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
