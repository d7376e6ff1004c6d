// Command gateway stands before the shop and turns customers away who ask too often.
// Start it as often as you like.
package main

import (
	"context"
	"errors"
	"net/http"
	"net/http/httputil"
	"os"

	"course.example/05-microservices/limits"
	"course.example/shop"
)

func main() { shop.Main(run) }

func run(ctx context.Context) (err error) {
	settings, err := limits.ParseSettings(os.Args[1:])
	if err != nil {
		return err
	}
	limiter, end, err := settings.Limiter()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end()) }()
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(settings.Upstream)
	}}
	mux := http.NewServeMux()
	mux.Handle("POST /orders", limits.Handler(limiter, proxy))
	mux.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {})
	return shop.Serve(ctx, settings.Addr, mux)
}
