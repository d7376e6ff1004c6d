package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"course.example/shop"
)

const (
	maxFile      = 16 << 20 // bytes
	maxPiece     = 1 << 20  // bytes, of a piece or of a list of pieces
	pieceTimeout = 2 * time.Second
	fetchTimeout = 30 * time.Second
)

// Handler is what a peer serves: pieces for all others, and the rest for whoever it
// belongs to.
//
//	GET  /pieces/{hash}    a piece, or 404
//	GET  /state            who is alive, what was heard
//	POST /rumours?id=1     start a rumour, the body
//	POST /files            add a file, the body
//	POST /fetch?name=HASH  fetch a file from the others
//	GET  /files/{name}     a file that is here
func (n *Node) Handler(s settings) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /pieces/{hash}", func(w http.ResponseWriter, r *http.Request) {
		piece, ok := n.Store.piece(r.PathValue("hash"))
		if !ok {
			http.Error(w, "this peer does not have it", http.StatusNotFound)
			return
		}
		if s.corrupt {
			piece = corrupted(piece)
		}
		send(w, piece)
	})
	mux.HandleFunc("GET /state", func(w http.ResponseWriter, _ *http.Request) {
		sendJSON(w, n.State(), nil)
	})
	mux.HandleFunc("POST /rumours", func(w http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxText))
		if err == nil {
			err = n.Tell(r.URL.Query().Get("id"), string(text))
		}
		sendJSON(w, nil, err)
	})
	mux.HandleFunc("POST /files", func(w http.ResponseWriter, r *http.Request) {
		file, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxFile))
		if err == nil && len(file) == 0 {
			err = errors.New("the file is empty")
		}
		var name string
		if err == nil {
			name, err = n.Store.Add(file)
		}
		sendJSON(w, name, err)
	})
	mux.HandleFunc("POST /fetch", func(w http.ResponseWriter, r *http.Request) {
		f := Fetch{Store: &n.Store, Peers: n.Peers(), Get: get, Check: isPiece}
		if s.unchecked {
			f.Check = anything
		}
		ctx, cancel := context.WithTimeout(r.Context(), fetchTimeout)
		defer cancel()
		err := f.Run(ctx, r.URL.Query().Get("name"))
		sendJSON(w, Report{f.From, f.Bad}, err)
	})
	mux.HandleFunc("GET /files/{name}", func(w http.ResponseWriter, r *http.Request) {
		file, err := n.Store.File(r.PathValue("name"))
		if err != nil {
			http.Error(w, shop.Reason(err), http.StatusNotFound)
			return
		}
		send(w, file)
	})
	return mux
}

// Report says from whom pieces came: the right ones, and those that were thrown away.
type Report struct{ From, Bad map[string]int }

// get asks a peer for a piece.
func get(ctx context.Context, address, hash string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, pieceTimeout)
	defer cancel()
	return ask(ctx, http.MethodGet, address+"/pieces/"+hash, nil, maxPiece)
}

// ask sends a request and returns what the answer holds. A status other than 200 is an error.
func ask(
	ctx context.Context, method, url string, body io.Reader, limit int64,
) ([]byte, error) {
	q, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(q)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, limit))
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		return nil, fmt.Errorf("read the answer of %s: %w", url, err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %.200s", resp.Status, text)
	}
	return text, nil
}

func sendJSON(w http.ResponseWriter, body any, problem error) {
	if problem != nil {
		http.Error(w, shop.Reason(problem), http.StatusBadRequest)
		return
	}
	text, err := json.Marshal(body)
	if err != nil {
		http.Error(w, shop.Reason(err), http.StatusInternalServerError)
		return
	}
	send(w, text)
}

func send(w http.ResponseWriter, body []byte) {
	if _, err := w.Write(body); err != nil {
		slog.Debug("the asker has gone", "error", err)
	}
}
