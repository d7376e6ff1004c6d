package main

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"

	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	_ "google.golang.org/grpc/encoding/gzip" // SDKs compress when asked to
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

const (
	// maxBody is the most that one request may hold once it is unpacked: the collector's own
	// limit is 20 MB, and a batch of 512 spans is far below both.
	maxBody = 16 << 20
	// maxAtOnce bounds how many requests are decoded at a time, and so the memory they take: all
	// of HTTP's together, and those of one connection over gRPC, of which a process has three.
	maxAtOnce = 8
)

const (
	typeProto = "application/x-protobuf"
	typeJSON  = "application/json"
)

// message is a request or an answer of OTLP, which has two encodings.
type message interface {
	MarshalProto() ([]byte, error)
	MarshalJSON() ([]byte, error)
}

type request interface {
	message
	UnmarshalProto([]byte) error
	UnmarshalJSON([]byte) error
}

// receive answers one signal over HTTP (OpenTelemetry Protocol, section OTLP/HTTP): 200 when the
// batch is kept, 4xx when sending it again would not help, 503 when the client is to come again.
// The answer says what of it is not kept (section "Partial Success").
func receive[R request](
	tickets chan struct{}, empty func() R, keep func(R) message,
) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
		if err != nil || kind != typeProto && kind != typeJSON {
			http.Error(w, "the content type must be "+typeProto+" or "+typeJSON,
				http.StatusUnsupportedMediaType)
			return
		}
		select {
		case tickets <- struct{}{}:
			defer func() { <-tickets }()
		default:
			w.Header().Set("Retry-After", "1")
			refuse(w, kind, http.StatusServiceUnavailable,
				errors.New("too many requests at a time"))
			return
		}
		body, err := readBody(w, r)
		if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
			refuse(w, kind, http.StatusRequestEntityTooLarge,
				fmt.Errorf("the batch is larger than %d bytes", maxBody))
			return
		}
		in := empty()
		if err == nil && kind == typeProto {
			err = in.UnmarshalProto(body)
		} else if err == nil {
			err = in.UnmarshalJSON(body)
		}
		if err != nil {
			refuse(w, kind, http.StatusBadRequest, fmt.Errorf("cannot read the batch: %w", err))
			return
		}
		accept(w, kind, keep(in))
	}
}

// readBody unpacks a body without letting a small one become a large one.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	var body io.Reader = http.MaxBytesReader(w, r.Body, maxBody)
	switch encoding := r.Header.Get("Content-Encoding"); encoding {
	case "", "identity":
	case "gzip":
		unpacked, err := gzip.NewReader(body)
		if err != nil {
			return nil, fmt.Errorf("not gzip: %w", err)
		}
		defer unpacked.Close()
		body = http.MaxBytesReader(w, unpacked, maxBody)
	default:
		return nil, fmt.Errorf("the content encoding %q is not known, gzip is", encoding)
	}
	return io.ReadAll(body)
}

func accept(w http.ResponseWriter, kind string, answer message) {
	marshal := answer.MarshalProto
	if kind == typeJSON {
		marshal = answer.MarshalJSON
	}
	raw, err := marshal()
	if err != nil {
		refuse(w, kind, http.StatusInternalServerError, err)
		return
	}
	write(w, kind, http.StatusOK, raw)
}

// refuse answers with a google.rpc.Status in the encoding of the request, as OTLP/HTTP asks.
func refuse(w http.ResponseWriter, kind string, code int, why error) {
	reason := &status.Status{Code: int32(codes.InvalidArgument), Message: why.Error()}
	if code == http.StatusServiceUnavailable {
		reason.Code = int32(codes.Unavailable)
	}
	raw, err := proto.Marshal(reason)
	if kind == typeJSON {
		raw, err = protojson.Marshal(reason)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	write(w, kind, code, raw)
}

func write(w http.ResponseWriter, kind string, code int, body []byte) {
	w.Header().Set("Content-Type", kind)
	w.WriteHeader(code)
	_, _ = w.Write(body) // the client has gone: nobody is left to be told
}

// newHandler takes the three signals over HTTP and serves the page. Seq's own path is taken
// too: a program that was configured for Seq needs no other address.
func newHandler(s *store) http.Handler {
	mux := http.NewServeMux()
	tickets := make(chan struct{}, maxAtOnce)
	traces := receive(tickets, ptraceotlp.NewExportRequest,
		func(r ptraceotlp.ExportRequest) message { return keepTraces(s, r) })
	logs := receive(tickets, plogotlp.NewExportRequest,
		func(r plogotlp.ExportRequest) message { return keepLogs(s, r) })
	metrics := receive(tickets, pmetricotlp.NewExportRequest,
		func(r pmetricotlp.ExportRequest) message { return keepMetrics(s, r) })
	for _, prefix := range []string{"", "/ingest/otlp"} {
		mux.Handle("POST "+prefix+"/v1/traces", traces)
		mux.Handle("POST "+prefix+"/v1/logs", logs)
		mux.Handle("POST "+prefix+"/v1/metrics", metrics)
	}
	addPage(mux, s)
	return mux
}

func keepTraces(s *store, r ptraceotlp.ExportRequest) ptraceotlp.ExportResponse {
	answer := ptraceotlp.NewExportResponse()
	if rejected, why := s.addTraces(r.Traces()); rejected > 0 {
		answer.PartialSuccess().SetRejectedSpans(int64(rejected))
		answer.PartialSuccess().SetErrorMessage(why)
	}
	return answer
}

func keepLogs(s *store, r plogotlp.ExportRequest) plogotlp.ExportResponse {
	answer := plogotlp.NewExportResponse()
	if rejected := s.addLogs(r.Logs()); rejected > 0 {
		answer.PartialSuccess().SetRejectedLogRecords(int64(rejected))
		answer.PartialSuccess().SetErrorMessage(noRoom)
	}
	return answer
}

func keepMetrics(s *store, r pmetricotlp.ExportRequest) pmetricotlp.ExportResponse {
	answer := pmetricotlp.NewExportResponse()
	if rejected := s.addMetrics(r.Metrics()); rejected > 0 {
		answer.PartialSuccess().SetRejectedDataPoints(int64(rejected))
		answer.PartialSuccess().SetErrorMessage(noRoom)
	}
	return answer
}

// newGRPC takes the three signals over gRPC.
func newGRPC(s *store) *grpc.Server {
	server := grpc.NewServer(
		grpc.MaxRecvMsgSize(maxBody), grpc.MaxConcurrentStreams(maxAtOnce))
	ptraceotlp.RegisterGRPCServer(server, &traceService{s: s})
	plogotlp.RegisterGRPCServer(server, &logService{s: s})
	pmetricotlp.RegisterGRPCServer(server, &metricService{s: s})
	return server
}

type traceService struct {
	ptraceotlp.UnimplementedGRPCServer
	s *store
}

func (t *traceService) Export(
	_ context.Context, r ptraceotlp.ExportRequest,
) (ptraceotlp.ExportResponse, error) {
	return keepTraces(t.s, r), nil
}

type logService struct {
	plogotlp.UnimplementedGRPCServer
	s *store
}

func (l *logService) Export(
	_ context.Context, r plogotlp.ExportRequest,
) (plogotlp.ExportResponse, error) {
	return keepLogs(l.s, r), nil
}

type metricService struct {
	pmetricotlp.UnimplementedGRPCServer
	s *store
}

func (m *metricService) Export(
	_ context.Context, r pmetricotlp.ExportRequest,
) (pmetricotlp.ExportResponse, error) {
	return keepMetrics(m.s, r), nil
}
