// Package dashboard is the page on which one sees the cluster: its silos, what each of them holds,
// and how the activations move when silos come and go. It is the lecture's OrleansDashboard.
//
// Where to look:
//
//	census.go      what a silo can tell of itself
//	view.go        GET /cluster: what all of them tell
//	page/          the page itself, HTML, CSS and JavaScript; it draws that
//	dashboard.go   its routes
//	lab.go         its buttons: a silo more, a silo killed; only on this machine
//
// It knows no kind of grain.
package dashboard

import (
	"embed"
	"encoding/json"
	"io/fs"
	"log/slog"
	"net/http"
)

// The page is part of the program: nothing is fetched from elsewhere, so it works without a
// network, and nothing is built.
//
//go:embed page
var page embed.FS

// Register adds the dashboard to a server's routes: the page at GET /, and its buttons where there
// is a lab to carry them out (nil where there is none). The server
// has a [Board] at GET /cluster besides.
func Register(mux *http.ServeMux, lab *Lab) {
	files, err := fs.Sub(page, "page")
	if err != nil {
		panic(err) // only for a folder's name that is no path
	}
	mux.Handle("GET /{$}", onlyOurs(http.FileServerFS(files)))
	mux.Handle("GET /dashboard/", onlyOurs(http.StripPrefix("/dashboard", http.FileServerFS(files))))
	mux.HandleFunc("GET /dashboard/buttons", func(w http.ResponseWriter, r *http.Request) {
		answer(w, http.StatusOK, map[string]bool{"buttons": lab != nil && atHome(r)})
	})
	if lab != nil {
		lab.register(mux)
	}
}

// onlyOurs lets the browser run and load what comes from this server, and nothing else: the name
// of a grain is text from outside.
func onlyOurs(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy",
			"default-src 'self'; img-src 'self' data:; frame-ancestors 'none'")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-cache")
		next.ServeHTTP(w, r)
	})
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(body); err != nil {
		slog.Debug("answer not delivered", "error", err) // the reader has gone
	}
}
