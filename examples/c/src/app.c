// The app c keeps notes: over HTTP they are put, read and deleted; each that is put is announced on the topic
// `notes`, of which the app remembers the last.
//
// Who frees what is as wit-bindgen has it: arguments of an exported function are the function's to free, its result is
// freed after it was read; arguments of an import stay the caller's, its results become the caller's.
#include "app.h"

#include <stdlib.h>
#include <string.h>

// What the paths of all requests start with: the route in manifest.yaml.
#define ROOT "/c"

// The key of the last note that came from the topic. Keys of notes start with NOTE.
#define LAST "last"
#define NOTE "note/"

typedef app_string_t text;
typedef exports_mrt_http_handler_request_t request;
typedef exports_mrt_http_handler_response_t response;

// view gives a constant as a string that nobody frees.
static text view(const char *s) { return (text){(uint8_t *)s, strlen(s)}; }

static bool is(text t, const char *s) { return t.len == strlen(s) && memcmp(t.ptr, s, t.len) == 0; }

// after gives what follows a prefix; false if t does not start with it.
static bool after(text t, const char *prefix, text *rest) {
  size_t n = strlen(prefix);
  if (t.len < n || memcmp(t.ptr, prefix, n) != 0) return false;
  *rest = (text){t.ptr + n, t.len - n};
  return true;
}

// bytes gives memory of a length; without any left the app traps.
static uint8_t *bytes(size_t n) {
  uint8_t *p = malloc(n == 0 ? 1 : n);
  if (p == NULL) abort();
  return p;
}

// join gives two strings as one, to be freed.
static text join(text a, text b) {
  uint8_t *p = bytes(a.len + b.len);
  memcpy(p, a.ptr, a.len);
  memcpy(p + a.len, b.ptr, b.len);
  return (text){p, a.len + b.len};
}

static void info(const char *message, text note) {
  mrt_log_logger_attr_t attr = {.key = view("note"), .value = note};
  mrt_log_logger_list_attr_t attrs = {&attr, 1};
  text m = view(message);
  mrt_log_logger_log(MRT_LOG_LOGGER_LEVEL_INFO, &m, &attrs);
}

// respond takes the body, which is freed with the response.
static void respond(response *r, uint16_t status, app_list_u8_t body) {
  mrt_http_types_header_t *header = (void *)bytes(sizeof *header);
  header->name = join(view("content-type"), view(""));
  header->value = join(view("text/plain"), view(""));
  *r = (response){.status = status, .headers = {header, 1}, .body = body};
}

static void answer(response *r, uint16_t status, text t) {
  text line = join(t, view("\n"));
  respond(r, status, (app_list_u8_t){line.ptr, line.len});
}

// All cases of the errors of state and pubsub have a text, at one place.
static void answer_state_error(response *r, mrt_state_store_error_t *e) {
  answer(r, 500, e->val.other);
  mrt_state_store_error_free(e);
}

static void answer_pubsub_error(response *r, mrt_pubsub_publisher_error_t *e) {
  answer(r, 500, e->val.other);
  mrt_pubsub_publisher_error_free(e);
}

static bool set(text key, app_list_u8_t value, mrt_state_store_error_t *err) {
  text store = view("");
  mrt_state_store_set_item_t item = {.key = key, .value = value};
  return mrt_state_store_set(&store, &item, err);
}

static void read(response *r, text key) {
  text store = view("");
  mrt_state_store_metadata_t none = {0};
  mrt_state_store_option_entry_t entry;
  mrt_state_store_error_t err;
  if (!mrt_state_store_get(&store, &key, MRT_STATE_TYPES_CONSISTENCY_UNSPECIFIED, &none, &entry, &err)) {
    answer_state_error(r, &err);
    return;
  }
  if (!entry.is_some) {
    answer(r, 404, view("no such note"));
    return;
  }
  respond(r, 200, entry.val.value);
  entry.val.value = (app_list_u8_t){0};
  mrt_state_store_option_entry_free(&entry);
}

static void put(response *r, text key, text name, app_list_u8_t note) {
  mrt_state_store_error_t failed;
  if (!set(key, note, &failed)) {
    answer_state_error(r, &failed);
    return;
  }
  text pubsub = view(""), topic = view("notes"), type = view("text/plain");
  mrt_pubsub_publisher_metadata_t none = {0};
  mrt_pubsub_publisher_error_t unpublished;
  if (!mrt_pubsub_publisher_publish(&pubsub, &topic, &type, &note, &none, &unpublished)) {
    answer_pubsub_error(r, &unpublished);
    return;
  }
  info("note kept", name);
  respond(r, 204, (app_list_u8_t){0});
}

static void delete(response *r, text key, text name) {
  text store = view("");
  mrt_state_store_delete_item_t item = {.key = key};
  mrt_state_store_error_t err;
  if (!mrt_state_store_delete(&store, &item, &err)) {
    answer_state_error(r, &err);
    return;
  }
  info("note deleted", name);
  respond(r, 204, (app_list_u8_t){0});
}

static void route(request *q, response *r) {
  text name;
  if (is(q->method, "GET") && is(q->path, ROOT "/last")) {
    read(r, view(LAST));
    return;
  }
  if (!after(q->path, ROOT "/notes/", &name)) {
    answer(r, 404, view("want " ROOT "/notes/KEY or " ROOT "/last"));
    return;
  }
  if (name.len == 0) {
    answer(r, 400, view("want " ROOT "/notes/KEY, found no key"));
    return;
  }
  text key = join(view(NOTE), name);
  if (is(q->method, "GET")) {
    read(r, key);
  } else if (is(q->method, "PUT")) {
    put(r, key, name, q->body);
  } else if (is(q->method, "DELETE")) {
    delete(r, key, name);
  } else {
    answer(r, 405, view("want GET, PUT or DELETE"));
  }
  app_string_free(&key);
}

void exports_mrt_http_handler_handle(request *q, response *r) {
  route(q, r);
  exports_mrt_http_handler_request_free(q);
}

void exports_mrt_pubsub_subscriber_handle(exports_mrt_pubsub_subscriber_event_t *event,
                                          exports_mrt_pubsub_subscriber_outcome_t *outcome) {
  mrt_state_store_error_t err;
  info("note received", event->id);
  *outcome = (exports_mrt_pubsub_subscriber_outcome_t){.tag = MRT_PUBSUB_TYPES_OUTCOME_SUCCESS};
  if (!set(view(LAST), event->data, &err)) {
    outcome->tag = MRT_PUBSUB_TYPES_OUTCOME_RETRY;
    outcome->val.retry = err.val.other; // which is freed with the outcome
  }
  exports_mrt_pubsub_subscriber_event_free(event);
}
