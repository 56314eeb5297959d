package engine_test

// needsAsync is why cases of the reference tests fail.
const needsAsync = "needs an async feature, which comes next: "

// exceptions are the cases that fail, with the reason. A case that passes must not be here.
var exceptions = map[string]string{
	"binary__binary__0091__L962":      needsAsync + "async function",
	"values__post-return__0001__L201": needsAsync + "task.return",
	"values__post-return__0003__L203": needsAsync + "task.return",
	"values__post-return__0005__L205": needsAsync + "task.return",
	"values__post-return__0007__L207": needsAsync + "task.return",
	"values__post-return__0009__L209": needsAsync + "task.return",
	"values__post-return__0011__L211": needsAsync + "task.return",
	"values__post-return__0013__L213": needsAsync + "task.return",
	"values__post-return__0015__L215": needsAsync + "task.return",
	"values__post-return__0017__L217": needsAsync + "task.return",
	"values__post-return__0019__L219": needsAsync + "task.return",
	"values__post-return__0021__L221": needsAsync + "task.return",
	"values__post-return__0023__L223": needsAsync + "task.return",
	"values__post-return__0025__L225": needsAsync + "task.return",
	"values__post-return__0027__L227": needsAsync + "task.return",
	"values__post-return__0029__L229": needsAsync + "task.return",
	"values__post-return__0031__L231": needsAsync + "task.return",
	"values__post-return__0033__L233": needsAsync + "task.return",
	"values__post-return__0035__L235": needsAsync + "task.return",
	"values__post-return__0037__L237": needsAsync + "task.return",
	"values__post-return__0039__L239": needsAsync + "task.return",
	"values__post-return__0041__L241": needsAsync + "task.return",
	"values__post-return__0043__L243": needsAsync + "task.return",
	"values__post-return__0045__L245": needsAsync + "task.return",
	"values__post-return__0047__L247": needsAsync + "task.return",
	"values__post-return__0049__L249": needsAsync + "task.return",
	"values__post-return__0051__L251": needsAsync + "task.return",
	"values__post-return__0053__L253": needsAsync + "task.return",
	"values__post-return__0055__L255": needsAsync + "task.return",
	"values__post-return__0057__L260": needsAsync + "context.get",
	"values__post-return__0063__L334": needsAsync + "backpressure.inc",
	"values__variants__0009__L83":     needsAsync + "task.return",
}
