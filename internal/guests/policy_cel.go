package guests

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/checker"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/ext"
	"cel.dev/cel-go/interpreter"
	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"go.uber.org/zap"

	"github.com/gemini-proxy/caddy-gemini-proxy/rotator"
)

func init() {
	caddy.RegisterModule(new(CEL))
}

// CEL prefers whom an expression gives the highest value. Expressions are written in the [Common Expression Language](https://cel.dev),
// with its mathematical functions such as `math.least`, and have to result in a number.
//
// Because Google counts quota by project, quota groups are compared first, and then the accounts within the group that comes first. Of
// a group, the names are those of its first account. These variables are there:
//
// Variable | Type | Description
// ---------|------|------------
// `label` | string | What the account is called
// `project` | string | The Google Cloud project that is billed, if it is configured
// `backend` | string | `gemini_api`, `vertex` or `code_assist`
// `quota_group` | string | The name of the quota it shares
// `index` | int | Its place in the configuration, from 0
// `weight` | int | Its configured weight
// `errors` | int | How many calls have failed
// `in_flight` | int | How many calls are under way
// `load` | double | The binary logarithm of its recent calls for the model, `-Inf` for none; only differences mean something
// `left` | double | By how many doublings more than usual its limits leave it until the end of its day; `0` where none is known
// `rpm_left`, `rpd_left`, `tpm_left` | double | The requests of this minute and day and the prompt tokens of this minute that its limits leave; `+Inf` where none is known
//
// Whole numbers and others can be compared, but calculated with only after `double()`: `rpd_left - 10.0 * double(in_flight)`.
//
// Those that the expression has no value for, because of a division by zero or the like, are used when there are no others. It is
// evaluated when an account becomes ready, when it is chosen and when a call of it ends.
type CEL struct {
	// The expression.
	Expression string `json:"expression,omitempty"`

	program  cel.Program
	volatile bool
	logger   *zap.Logger
	failed   sync.Once
}

// CaddyModule returns the Caddy module information.
func (*CEL) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.gemini_proxy.policies.cel",
		New: func() caddy.Module { return new(CEL) },
	}
}

// UnmarshalCaddyfile sets up the policy from Caddyfile tokens. Syntax:
//
//	policy cel <expression...>
//
// An expression of several words may be quoted as a whole or not at all; one with braces has to be.
func (c *CEL) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume the policy's name
	if args := d.RemainingArgsRaw(); len(args) > 1 {
		c.Expression = strings.Join(args, " ") // quotes are part of it
	} else if len(args) == 1 {
		c.Expression = d.Val()
	}
	if d.NextBlock(d.Nesting()) {
		return d.Err("policy cel takes no block; an expression with braces must be quoted")
	}
	if _, _, err := compile(c.Expression); err != nil {
		return d.WrapErr(err)
	}
	return nil
}

// Provision compiles the expression.
func (c *CEL) Provision(ctx caddy.Context) (err error) {
	c.logger = ctx.Logger()
	c.program, c.volatile, err = compile(c.Expression)
	return err
}

// Volatile reports whether the expression refers to what only volatile policies are told.
func (c *CEL) Volatile() bool { return c.volatile }

// Rank is the lower the higher the expression's value is.
func (c *CEL) Rank(s rotator.Standing) float64 {
	v := bindingsPool.Get().(*bindings)
	v.Standing = s
	value, _, err := c.program.Eval(v)
	*v = bindings{}
	bindingsPool.Put(v)
	rank := math.NaN()
	switch value := value.(type) {
	case types.Double:
		rank = -float64(value)
	case types.Int:
		rank = -float64(value)
	}
	if math.IsNaN(rank) {
		if err == nil {
			err = errors.New("the result is not a number")
		}
		c.fail(&s, err)
		return math.Inf(1)
	}
	return rank
}

// fail logs, once, that the expression has no value. Another goroutine does the writing, because ranks are asked for under a lock.
func (c *CEL) fail(s *rotator.Standing, err error) {
	c.failed.Do(func() {
		fields := []zap.Field{zap.Int("index", s.Index), zap.Error(err)}
		if s.Credential != nil {
			fields = append(fields, zap.String("account", s.Credential.Label))
		}
		go c.logger.Error("the expression of the policy has no value for an account, which is used only when there are no others", fields...)
	})
}

// celVariables are what expressions may refer to.
var celVariables = map[string]*cel.Type{
	"label": cel.StringType, "project": cel.StringType, "backend": cel.StringType, "quota_group": cel.StringType,
	"index": cel.IntType, "weight": cel.IntType, "errors": cel.IntType, "in_flight": cel.IntType,
	"load": cel.DoubleType, "left": cel.DoubleType,
	"rpm_left": cel.DoubleType, "rpd_left": cel.DoubleType, "tpm_left": cel.DoubleType,
}

// alwaysKnown are those that are known of every candidate at any time. For the others the policy has to be volatile.
var alwaysKnown = []string{"index", "weight", "load", "left"}

// bindings resolves the names in an expression.
type bindings struct{ rotator.Standing }

// bindingsPool saves an allocation for each rank.
var bindingsPool = sync.Pool{New: func() any { return new(bindings) }}

// ResolveName implements interpreter.Activation.
func (v *bindings) ResolveName(name string) (any, bool) {
	value := v.resolve(name)
	return value, value != nil
}

func (v *bindings) resolve(name string) ref.Val {
	switch name {
	case "label":
		return types.String(v.Credential.Label)
	case "project":
		return types.String(v.Credential.Project)
	case "backend":
		return types.String(v.Credential.Backend)
	case "quota_group":
		return types.String(v.Credential.QuotaGroup)
	case "index":
		return types.Int(v.Index)
	case "weight":
		return types.Int(v.Weight)
	case "errors":
		return types.Int(v.Errors)
	case "in_flight":
		return types.Int(v.InFlight)
	case "load":
		return types.Double(v.Load)
	case "left":
		return types.Double(v.Left)
	case "rpm_left":
		return types.Double(v.RPMLeft)
	case "rpd_left":
		return types.Double(v.RPDLeft)
	case "tpm_left":
		return types.Double(v.TPMLeft)
	}
	return nil
}

// Parent implements interpreter.Activation.
func (*bindings) Parent() interpreter.Activation { return nil }

// maxCost bounds what an expression may cost at worst, in the units of CEL: an operator is 1, and takes some 50 ns. It is checked when
// the expression is compiled, because to keep an account of it with each evaluation would take more time than the evaluation.
const maxCost = 500

// compile makes a program of an expression. Its errors say where in the expression the fault is.
func compile(expression string) (program cel.Program, volatile bool, err error) {
	if strings.TrimSpace(expression) == "" {
		return nil, false, errors.New("policy cel needs an expression")
	}
	env, err := celEnvironment()
	if err != nil {
		return nil, false, err
	}
	ast, issues := env.Compile(expression)
	if issues.Err() != nil {
		first := issues.Errors()[0]
		return nil, false, faultAt(first.Location.Line(), first.Location.Column(), first.Message)
	}
	root := ast.NativeRep()
	if t := ast.OutputType(); t != cel.DoubleType && t != cel.IntType {
		at := root.SourceInfo().GetStartLocation(root.Expr().ID())
		return nil, false, faultAt(at.Line(), at.Column(), fmt.Sprintf("the result must be a number, not %s", t))
	}
	cost, err := env.EstimateCost(ast, sizes{})
	if err != nil {
		return nil, false, fmt.Errorf("expression: %w", err)
	}
	if cost.Max > maxCost {
		return nil, false, fmt.Errorf("expression: it would take too long: its cost may be %d, and %d is allowed", cost.Max, maxCost)
	}
	for _, reference := range root.ReferenceMap() {
		if celVariables[reference.Name] != nil && !slices.Contains(alwaysKnown, reference.Name) {
			volatile = true
		}
	}
	program, err = env.Program(ast, cel.EvalOptions(cel.OptOptimize))
	return program, volatile, err
}

func faultAt(line, column int, message string) error {
	return fmt.Errorf("expression, line %d, column %d: %s", line, column+1, message)
}

// celEnvironment is made once, when the first expression needs it.
var celEnvironment = sync.OnceValues(func() (*cel.Env, error) {
	options := make([]cel.EnvOption, 0, 2+len(celVariables))
	options = append(options, ext.Math(), cel.CrossTypeNumericComparisons(true))
	for name, t := range celVariables {
		options = append(options, cel.Variable(name, t))
	}
	return cel.NewEnv(options...)
})

// sizes says how long names are, as far as costs go.
type sizes struct{}

// EstimateSize implements checker.CostEstimator.
func (sizes) EstimateSize(node checker.AstNode) *checker.SizeEstimate {
	if path := node.Path(); len(path) == 1 && celVariables[path[0]] == cel.StringType {
		return &checker.SizeEstimate{Max: 256}
	}
	return nil
}

// EstimateCallCost implements checker.CostEstimator.
func (sizes) EstimateCallCost(string, string, *checker.AstNode, []checker.AstNode) *checker.CallEstimate {
	return nil
}

// Interface guards
var (
	_ caddy.Provisioner      = (*CEL)(nil)
	_ caddyfile.Unmarshaler  = (*CEL)(nil)
	_ rotator.Policy         = (*CEL)(nil)
	_ rotator.Volatile       = (*CEL)(nil)
	_ interpreter.Activation = (*bindings)(nil)
	_ checker.CostEstimator  = sizes{}
)
