package main

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// guard keeps the pages of other sites out, as shop does it for the shops: a request that changes
// something must not come from another origin, and a receiver on a loopback address answers to
// the names of that address only. One that was opened on purpose, with -http 0.0.0.0:4318,
// answers to any name.
func guard(addr net.Addr, handler http.Handler) http.Handler {
	handler = http.NewCrossOriginProtection().Handler(handler)
	if at, err := netip.ParseAddrPort(addr.String()); err != nil || !at.Addr().IsLoopback() {
		return handler
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isLoopback(r.Host) {
			http.Error(w, "this receiver answers to localhost only: start it with an address such "+
				"as -http 0.0.0.0:4318 to open it to others", http.StatusForbidden)
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
