package services

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
)

// Jaeger shows traces.
const Jaeger Kind = "jaeger"

// metricsExporter is OpenTelemetry's variable for where metrics go.
const metricsExporter = "OTEL_METRICS_EXPORTER"

var jaeger = trait{
	kind: Jaeger, title: "Jaeger", env: "OTEL_EXPORTER_OTLP_ENDPOINT", ports: []int{4318, 16686},
	address: func(ports []int) address {
		return address{
			URL:  fmt.Sprintf("http://127.0.0.1:%d", ports[0]),
			Page: fmt.Sprintf("http://127.0.0.1:%d", ports[1]),
		}
	},
	handshake: otlpHandshake,
	also: func(s *Server, _ Servers) map[string]string {
		// A server that was named in the environment may be a collector that takes everything.
		if s.named() || s.figures || os.Getenv(metricsExporter) != "" {
			return nil
		}
		return map[string]string{metricsExporter: "none"} // Jaeger keeps no metrics
	},
	boot: startSlack / 2, image: "jaegertracing/jaeger:2.21.0",
	standIn: oneReceiver, judged: true,
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
