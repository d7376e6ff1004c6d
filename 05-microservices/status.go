package microservices

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"google.golang.org/grpc/codes"
)

// outcome is one thing that can happen, in the words of both protocols.
type outcome struct {
	err  error
	http int
	grpc codes.Code
}

// outcomes translate in both directions: what the payment service returns becomes
// a status on the wire, and the order service makes the same error of it again. The
// caller must be able to tell three cases apart: no and never (do not try again),
// not now (try again), and nobody knows (try again, but only with a key). The code
// of each is the one that google.rpc.Code describes for it.
var outcomes = []outcome{
	{ErrDeclined, http.StatusPaymentRequired, codes.FailedPrecondition},
	{ErrInvalid, http.StatusBadRequest, codes.InvalidArgument},
	{ErrKeyReused, http.StatusUnprocessableEntity, codes.AlreadyExists},
	{ErrUnavailable, http.StatusServiceUnavailable, codes.Unavailable},
	{context.DeadlineExceeded, http.StatusGatewayTimeout, codes.DeadlineExceeded},
	{context.Canceled, statusClientClosed, codes.Canceled},
}

// statusClientClosed is nginx's status for a caller who has gone: nobody reads it.
const statusClientClosed = 499

func outcomeOf(err error) outcome {
	for _, o := range outcomes {
		if errors.Is(err, o.err) {
			return o
		}
	}
	return outcome{err, http.StatusInternalServerError, codes.Internal}
}

// fromHTTP makes an error of an answer that is not 200.
func fromHTTP(status int, reason string) error {
	for _, o := range outcomes {
		if o.http == status {
			return remoteError{o.err, reason}
		}
	}
	// A broken gateway and a broken service are alike to the caller: not now.
	return fmt.Errorf("%w: %d: %s", ErrUnavailable, status, reason)
}

// fromGRPC makes an error of a gRPC status.
func fromGRPC(code codes.Code, reason string) error {
	for _, o := range outcomes {
		if o.grpc == code {
			return remoteError{o.err, reason}
		}
	}
	return fmt.Errorf("%w: %s: %s", ErrUnavailable, code, reason)
}

// remoteError is an error with the other side's words for it.
type remoteError struct {
	err    error
	reason string
}

func (e remoteError) Error() string {
	if e.reason == "" {
		return e.err.Error()
	}
	return e.reason
}
func (e remoteError) Unwrap() error { return e.err }
