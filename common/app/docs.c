/* common/app/docs.c -- serves the OpenAPI document and a page that renders it. */
#include "app/docs.h"

#include "app/app.h"

static void openapi(struct request *rq);
static void docs(struct request *rq);
static void root(struct request *rq);

struct route docs_routes[] = { { .method = "GET",
				 .pattern = "/",
				 .handle = root,
				 .flags = ROUTE_PUBLIC,
				 .summary = "Leads to /docs." },
			       { .method = "GET",
				 .pattern = "/docs",
				 .handle = docs,
				 .flags = ROUTE_PUBLIC,
				 .summary = "This description as a page." },
			       { .method = "GET",
				 .pattern = "/openapi.json",
				 .handle = openapi,
				 .flags = ROUTE_PUBLIC,
				 .summary = "This description as OpenAPI 3.1." },
			       { 0 } };

/* Text only reaches the page through textContent, so nothing in the document can be markup. */
static const char page[] =
	"<!doctype html>\n"
	"<html lang=\"en\"><head><meta charset=\"utf-8\"><title>API</title>\n"
	"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
	"<style>\n"
	"body{font:15px/1.5 system-ui,sans-serif;margin:0 auto;max-width:62rem;padding:1rem 1.5rem;"
	"color:#1c2430;background:#fff}\n"
	"h1{margin:.5rem 0}h2{margin:2rem 0 .5rem;border-bottom:1px solid #d8dee6}\n"
	"input{width:100%;box-sizing:border-box;padding:.5rem;font:inherit;border:1px solid "
	"#b9c2cd;"
	"border-radius:4px}\n"
	"details{border:1px solid #e3e8ee;border-radius:4px;margin:.25rem 0;padding:.25rem .6rem}\n"
	"summary{cursor:pointer;display:flex;gap:.7rem;align-items:baseline;flex-wrap:wrap}\n"
	"code,pre{font:13px/1.45 "
	"ui-monospace,monospace}pre{background:#f5f7f9;padding:.6rem;overflow:auto}\n"
	".m{font-weight:600;width:4.2rem}.GET{color:#0b6e3e}.POST{color:#0a52a8}.PATCH,.PUT{color:#"
	"8a5300}"
	".DELETE{color:#a81616}\n"
	".t{color:#5b6776}table{border-collapse:collapse;margin:.4rem 0}td{padding:.1rem .8rem "
	".1rem 0;"
	"vertical-align:top}\n"
	"@media(prefers-color-scheme:dark){body{background:#14181d;color:#dde3ea}pre{background:#"
	"1d232a}"
	"details,h2{border-color:#2c343d}input{background:#1d232a;color:inherit;border-color:#"
	"3a444f}"
	".GET{color:#58c48b}.POST{color:#6fb0ff}.PATCH,.PUT{color:#e0a850}.DELETE{color:#ff7d7d}"
	".t{color:#94a1b0}}\n"
	"</style></head><body><h1 id=\"title\">API</h1><p id=\"about\" class=\"t\"></p>\n"
	"<p><a href=\"/openapi.json\">openapi.json</a></p>\n"
	"<input id=\"find\" type=\"search\" placeholder=\"Find a path or a sentence\" "
	"aria-label=\"Find\">\n"
	"<main id=\"all\"></main>\n"
	"<script>\n"
	"'use strict';\n"
	"const el=(tag,text,cls)=>{const "
	"e=document.createElement(tag);if(text!=null)e.textContent=text;"
	"if(cls)e.className=cls;return e};\n"
	"let api;\n"
	"const seen=s=>{let "
	"n=0;while(s&&s.$ref&&n++<9){s=s.$ref.slice(2).split('/').reduce((o,k)=>o[k],api)}"
	"return s||{}};\n"
	"const kind=s=>{s=seen(s);if(s.enum)return s.enum.join(' | ');if(s.type==='array')"
	"return 'list of '+kind(s.items);return [].concat(s.type||'any').join(' or ')"
	"+(s.format?' ('+s.format+')':'')};\n"
	"const fields=(s)=>{s=seen(s);const t=el('table');const need=s.required||[];"
	"for(const [n,p] of Object.entries(s.properties||{})){const r=el('tr');"
	"const c=el('td');c.append(el('code',n+(need.includes(n)?' "
	"*':'')));r.append(c,el('td',kind(p),'t'),"
	"el('td',seen(p).description||seen(p).title||''));t.append(r)}return t};\n"
	"const operation=(path,method,op)=>{const d=el('details');const s=el('summary');"
	"s.append(el('span',method,'m "
	"'+method),el('code',path),el('span',op.summary||'','t'));d.append(s);"
	"d.addEventListener('toggle',()=>{if(d.dataset.made)return;d.dataset.made=1;"
	"if(op.description)d.append(el('p',op.description));"
	"const ps=(op.parameters||[]).map(seen);if(ps.length){d.append(el('strong','Parameters'));"
	"const t=el('table');for(const p of ps){const r=el('tr');const "
	"c=el('td');c.append(el('code',p.name));"
	"r.append(c,el('td',p.in+', "
	"'+kind(p.schema),'t'),el('td',p.description||''));t.append(r)}d.append(t)}"
	"const b=seen(op.requestBody).content;if(b){d.append(el('strong','Body'));"
	"for(const c of Object.values(b))d.append(fields(c.schema))}"
	"for(const [code,r] of Object.entries(op.responses||{})){const x=seen(r);"
	"d.append(el('p',code+' '+(x.description||'')));"
	"if(code<300)for(const c of "
	"Object.values(x.content||{}))d.append(fields(c.schema))}});return d};\n"
	"const render=()=>{const q=document.getElementById('find').value.toLowerCase();"
	"const all=document.getElementById('all');all.textContent='';const groups=new Map();"
	"for(const [path,ops] of Object.entries(api.paths))for(const m of "
	"['get','post','put','patch','delete']){const op=ops[m];if(!op)continue;"
	"if(q&&!(path+' '+(op.summary||'')).toLowerCase().includes(q))continue;"
	"const "
	"g=(op.tags||[])[0]||path.split('/')[3]||'service';if(!groups.has(g))groups.set(g,[]);"
	"groups.get(g).push(operation(path,m.toUpperCase(),op))}"
	"for(const [g,ds] of groups){all.append(el('h2',g),...ds)}};\n"
	"fetch('/openapi.json').then(r=>r.json()).then(d=>{api=d;document.title=d.info.title;"
	"document.getElementById('title').textContent=d.info.title+' '+d.info.version;"
	"document.getElementById('about').textContent=d.info.description||'';"
	"document.getElementById('find').addEventListener('input',render);render()});\n"
	"</script></body></html>\n";

static void
openapi(struct request *rq)
{
	const struct daemon *daemon = app_current()->daemon;
	static const char *document;

	if (!document)
		document = entity_openapi(app_current()->router, daemon->name);
	reply_json(rq, 200, document);
}

static void
docs(struct request *rq)
{
	reply_text(rq, 200, "text/html; charset=utf-8", page);
	reply_header(rq, "Content-Security-Policy",
		     "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
		     "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'");
	reply_header(rq, "X-Content-Type-Options", "nosniff");
}

static void
root(struct request *rq)
{
	reply_empty(rq, 302);
	reply_header(rq, "Location", "/docs");
}
