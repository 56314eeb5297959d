package s3

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"

	"github.com/minio/minio-go/v7"

	"github.com/mrt-wasm/mrt-wasm/host/binding"
)

// refusals are the server's codes for credentials that it does not take at all.
var refusals = map[string]bool{
	"InvalidAccessKeyId": true, "SignatureDoesNotMatch": true, "ExpiredToken": true, "InvalidToken": true, "InvalidSecurity": true,
	"TokenRefreshRequired": true, "RequestTimeTooSkewed": true, "AuthorizationQueryParametersError": true, "NotSignedUp": true,
	"XAdminUserNotFound": true, // of the Versity gateway
}

func wrongRegion(answer minio.ErrorResponse) bool {
	switch answer.Code {
	case "AuthorizationHeaderMalformed", "PermanentRedirect", "TemporaryRedirect", "IllegalLocationConstraintException":
		return true
	}
	return answer.StatusCode == http.StatusMovedPermanently
}

func untrusted(err error) bool {
	_, check := errors.AsType[*tls.CertificateVerificationError](err)
	_, authority := errors.AsType[x509.UnknownAuthorityError](err)
	return check || authority
}

// failure says what kind of error it is. The client library's errors may have a signed URL in them, which is not passed
// on.
func (b *bucket) failure(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	for _, kind := range []error{binding.ErrInvalid, binding.ErrNotFound, binding.ErrUnavailable} {
		if errors.Is(err, kind) {
			return err
		}
	}
	sent := false // something went wrong on the way
	if request, ok := errors.AsType[*url.Error](err); ok {
		err, sent = request.Err, true
	}
	answer, told := errors.AsType[minio.ErrorResponse](err)
	_, network := errors.AsType[net.Error](err)
	switch {
	case told:
		return classify(answer)
	case untrusted(err):
		return fmt.Errorf("the server's certificate is not trusted: %w", err)
	case sent, network, errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%w: the server at %s: %w%s", binding.ErrUnavailable, b.client.EndpointURL().Host, err, b.hint(err))
	default:
		return err
	}
}

// hint says what a name that nobody knows may come from.
func (b *bucket) hint(err error) string {
	if dns, ok := errors.AsType[*net.DNSError](err); ok && dns.IsNotFound && b.s.lookup(b.client.EndpointURL()) == minio.BucketLookupDNS {
		return "; if the server takes the bucket's name in the path only, set forcePathStyle: true"
	}
	return ""
}

// classify says what the server's answer means.
func classify(answer minio.ErrorResponse) error {
	err := fmt.Errorf("%w (%s)", answer, answer.Code)
	switch {
	case refusals[answer.Code]:
		return err
	case answer.Code == minio.NoSuchKey, answer.Code == minio.NoSuchBucket, answer.Code == "NoSuchVersion":
		return fmt.Errorf("%w: %w", binding.ErrNotFound, err)
	case answer.StatusCode >= http.StatusInternalServerError && answer.StatusCode != http.StatusNotImplemented,
		answer.StatusCode == http.StatusTooManyRequests, answer.StatusCode == http.StatusRequestTimeout, answer.Code == "RequestTimeout":
		return fmt.Errorf("%w: %w", binding.ErrUnavailable, err)
	case answer.StatusCode == http.StatusBadRequest, answer.StatusCode == http.StatusRequestEntityTooLarge, answer.Code == minio.InvalidArgument:
		return fmt.Errorf("%w: %w", binding.ErrInvalid, err)
	case answer.StatusCode == http.StatusNotFound:
		return fmt.Errorf("%w: %w", binding.ErrNotFound, err)
	default:
		return err
	}
}
