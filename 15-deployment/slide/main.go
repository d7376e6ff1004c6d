// Command slide is the lecture's deployer: it replaces one replica after the other.
package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"sync/atomic"

	deployment "course.example/15-deployment"
	"course.example/shop"
)

func main() { shop.Main(run) }

func run(ctx context.Context) error {
	if err := deployment.MigrateURL(ctx, os.Getenv("DATABASE_URL")); err != nil {
		return err
	}
	programs := []string{"producer", "producer", "consumer", "consumer"}
	var replicas [4]atomic.Pointer[deployment.Replica]
	start := func(i int, version string) error {
		r, err := deployment.Launch(programs[i], version, fmt.Sprint(programs[i], "-", i), nil)
		if err == nil {
			replicas[i].Store(r)
		}
		return err
	}
	for i := range replicas {
		if err := start(i, "v1"); err != nil {
			return err
		}
	}

	var n atomic.Int64
	http.HandleFunc("POST /orders", func(w http.ResponseWriter, r *http.Request) {
		producer := replicas[n.Add(1)%2].Load() // in turn
		to := &url.URL{Scheme: "http", Host: producer.Addr}
		httputil.NewSingleHostReverseProxy(to).ServeHTTP(w, r)
	})
	http.HandleFunc("POST /deploy", func(w http.ResponseWriter, r *http.Request) {
		for i := range replicas {
			old := replicas[i].Load()
			if err := start(i, r.FormValue("version")); err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			old.Kill()
		}
	})
	http.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"details": {"rolling": 0}}`)
	})
	return shop.Serve(ctx, os.Getenv("ADDR"), http.DefaultServeMux)
}
