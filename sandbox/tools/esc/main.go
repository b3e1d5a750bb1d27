// Command phoenix-esc-service implements the two calls of Pulumi ESC that open and
// read an environment, for tests. Definitions are files, the evaluator is the real
// one, and the values that providers (fn::open) would fetch come from a file.
//
//	ESC_TOKEN=... phoenix-esc-service ORGANIZATION FOLDER [PROVIDERS]
//
// FOLDER/PROJECT/NAME.yaml defines ORGANIZATION/PROJECT/NAME. PROVIDERS is a JSON
// file with the values that each provider returns, by provider name. The first line
// on standard output is the address, on loopback. The service exits when its
// standard input is closed.
package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/hashicorp/hcl/v2"
	"github.com/pulumi/pulumi/sdk/v3/go/common/esc"
	"github.com/pulumi/pulumi/sdk/v3/go/common/esc/eval"
	"github.com/pulumi/pulumi/sdk/v3/go/common/esc/schema"
	"github.com/pulumi/pulumi/sdk/v3/go/common/esc/syntax"
)

func main() {
	if len(os.Args) < 3 || os.Getenv("ESC_TOKEN") == "" {
		log.Fatal("usage: ESC_TOKEN=... phoenix-esc-service ORGANIZATION FOLDER [PROVIDERS]")
	}
	s := &service{
		organization: os.Args[1],
		folder:       os.Args[2],
		token:        os.Getenv("ESC_TOKEN"),
		providers:    map[string]any{},
		sessions:     map[string]*esc.Environment{},
	}
	if len(os.Args) > 3 {
		file, err := os.Open(os.Args[3])
		if err == nil {
			decoder := json.NewDecoder(file)
			// The evaluator expects numbers as json.Number.
			decoder.UseNumber()
			err = decoder.Decode(&s.providers)
		}
		if err != nil {
			log.Fatal(err)
		}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("http://%s\n", listener.Addr())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	routes := http.NewServeMux()
	environment := "/api/esc/environments/{organization}/{project}/{name}"
	routes.HandleFunc("POST "+environment+"/open", s.open)
	routes.HandleFunc("GET "+environment+"/open/{session}", s.read)
	log.Fatal(http.Serve(listener, s.authorized(routes)))
}

// service stores the opened environments by session.
type service struct {
	organization, folder, token string
	providers                   map[string]any
	lock                        sync.Mutex
	sessions                    map[string]*esc.Environment
}

type diagnostic struct {
	Range    *esc.Range `json:"range,omitempty"`
	Summary  string     `json:"summary,omitempty"`
	Detail   string     `json:"detail,omitempty"`
	Severity string     `json:"severity,omitempty"`
}

type refusal struct {
	Code        int          `json:"code"`
	Message     string       `json:"message"`
	Diagnostics []diagnostic `json:"diagnostics,omitempty"`
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func refuse(w http.ResponseWriter, status int, diagnostics ...diagnostic) {
	answer(w, status, refusal{status, http.StatusText(status), diagnostics})
}

func (s *service) authorized(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "token "+s.token {
			refuse(w, http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (s *service) open(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("project") + "/" + r.PathValue("name")
	source, err := s.source(name)
	if err != nil || r.PathValue("organization") != s.organization {
		refuse(w, http.StatusNotFound)
		return
	}
	declaration, found, err := eval.LoadYAMLBytes(name, source)
	if err != nil {
		refuse(w, http.StatusBadRequest, diagnostic{Summary: err.Error()})
		return
	}
	var opened *esc.Environment
	if !found.HasErrors() {
		context, err := esc.NewExecContext(map[string]esc.Value{})
		if err != nil {
			refuse(w, http.StatusInternalServerError)
			return
		}
		var more syntax.Diagnostics
		opened, more = eval.EvalEnvironment(r.Context(), name, declaration, s, s, s, context, eval.EvalOptions{})
		found.Extend(more...)
	}
	if found.HasErrors() {
		refuse(w, http.StatusBadRequest, diagnosticsOf(found)...)
		return
	}
	id := rand.Text()
	s.lock.Lock()
	defer s.lock.Unlock()
	s.sessions[id] = opened
	answer(w, http.StatusOK, map[string]any{"id": id})
}

func (s *service) read(w http.ResponseWriter, r *http.Request) {
	s.lock.Lock()
	defer s.lock.Unlock()
	opened, there := s.sessions[r.PathValue("session")]
	if !there {
		refuse(w, http.StatusNotFound)
		return
	}
	answer(w, http.StatusOK, opened)
}

func diagnosticsOf(found syntax.Diagnostics) []diagnostic {
	var all []diagnostic
	for _, one := range found {
		severity := "error"
		if one.Severity == hcl.DiagWarning {
			severity = "warning"
		}
		d := diagnostic{Summary: one.Summary, Detail: one.Detail, Severity: severity}
		if place := one.Subject; place != nil {
			d.Range = &esc.Range{
				Environment: place.Filename,
				Begin:       esc.Pos{Line: place.Start.Line, Column: place.Start.Column, Byte: place.Start.Byte},
				End:         esc.Pos{Line: place.End.Line, Column: place.End.Column, Byte: place.End.Byte},
			}
		}
		all = append(all, d)
	}
	return all
}

// source reads a definition. An import without a project is in the default project.
func (s *service) source(name string) ([]byte, error) {
	name, _, _ = strings.Cut(name, "@")
	if !filepath.IsLocal(name) {
		return nil, os.ErrNotExist
	}
	return os.ReadFile(filepath.Join(s.folder, filepath.FromSlash(name)+".yaml"))
}

// LoadEnvironment loads an imported environment.
func (s *service) LoadEnvironment(_ context.Context, name string) ([]byte, eval.Decrypter, error) {
	source, err := s.source(name)
	return source, s, err
}

// AuthorizeImport allows every import within the folder.
func (s *service) AuthorizeImport(context.Context, string, string, bool) error { return nil }

// Decrypt fails: the files of tests contain secrets in plain text, and there is no key.
func (s *service) Decrypt(context.Context, []byte) ([]byte, error) {
	return nil, errors.New("this service has no keys")
}

// LoadProvider returns a provider with the values of the file.
func (s *service) LoadProvider(_ context.Context, name string) (esc.Provider, error) {
	fetched, there := s.providers[name]
	if !there {
		return nil, fmt.Errorf("unknown provider %q", name)
	}
	return provider{fetched}, nil
}

// LoadRotator fails: rotators are not supported.
func (s *service) LoadRotator(_ context.Context, name string) (esc.Rotator, error) {
	return nil, fmt.Errorf("unknown rotator %q", name)
}

// provider returns values as secrets: those named in the inputs under "get", by their names in the store, or all values
// if the inputs name none.
type provider struct{ fetched any }

func (p provider) Schema() (inputs, outputs *schema.Schema) {
	return schema.Always().Schema(), schema.Always().Schema()
}

func (p provider) Open(_ context.Context, inputs map[string]esc.Value, _ esc.EnvExecContext) (esc.Value, error) {
	fetched := p.fetched
	if wanted, asked := inputs["get"].Value.(map[string]esc.Value); asked {
		store, _ := p.fetched.(map[string]any)
		found := map[string]any{}
		for name, one := range wanted {
			fields, _ := one.Value.(map[string]esc.Value)
			id, _ := fields["secretId"].Value.(string)
			value, there := store[id]
			if !there {
				return esc.Value{}, fmt.Errorf("no secret %q", id)
			}
			found[name] = value
		}
		fetched = found
	}
	value, err := esc.FromJSON(fetched)
	return value.MakeSecret(), err
}
