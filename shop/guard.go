package shop

import (
	"errors"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// guard keeps the pages of other sites out. Every page that a student has open in a
// browser can send requests to this machine: one could place orders, and with a name
// of its own that suddenly means 127.0.0.1 (DNS rebinding) it could read the answers,
// too. So a request that changes something must not come from another origin, and a
// server on a loopback address answers to the names of that address only. One that
// was opened on purpose, with an address such as 0.0.0.0:8080, answers to any name.
func guard(addr net.Addr, handler http.Handler) http.Handler {
	origin := http.NewCrossOriginProtection()
	origin.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		reject(w, http.StatusForbidden, errors.New("this request comes from a page of another site"))
	}))
	handler = origin.Handler(handler)
	if at, err := netip.ParseAddrPort(addr.String()); err != nil || !at.Addr().IsLoopback() {
		return handler
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isLoopback(r.Host) {
			reject(w, http.StatusForbidden, errors.New("this server answers to localhost only: "+
				"start it with an address such as 0.0.0.0:8080 to open it to others"))
			return
		}
		handler.ServeHTTP(w, r)
	})
}

// isLoopback says whether a Host header names this machine, with a port or without.
func isLoopback(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.ToLower(strings.Trim(host, "[]")), ".")
	if host == "localhost" || strings.HasSuffix(host, ".localhost") { // RFC 6761, section 6.3
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}
