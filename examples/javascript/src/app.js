// The app javascript keeps notes: over HTTP they are put, read and deleted; each that is put is announced on the topic
// `notes`, of which the app remembers the last.
import { log } from 'mrt:log/logger@0.1.0';
import { publish } from 'mrt:pubsub/publisher@0.1.0';
import * as state from 'mrt:state/store@0.1.0';

// What the paths of all requests start with: the route in manifest.yaml.
const ROOT = '/javascript';

// The key of the last note that came from the topic. Keys of notes start with NOTE.
const LAST = 'last';
const NOTE = 'note/';

export const handler = {
  handle(request) {
    try {
      return route(request);
    } catch (error) {
      return answer(500, textOf(error));
    }
  },
};

export const subscriber = {
  handle(event) {
    info('note received', event.id);
    try {
      set(LAST, event.data);
      return { tag: 'success' };
    } catch (error) {
      return { tag: 'retry', val: textOf(error) };
    }
  },
};

function route({ method, path, body }) {
  if (method === 'GET' && path === `${ROOT}/last`) return read(LAST);
  const prefix = `${ROOT}/notes/`;
  if (!path.startsWith(prefix)) return answer(404, `want ${prefix}KEY or ${ROOT}/last`);
  const key = path.slice(prefix.length);
  if (key === '') return answer(400, `want ${prefix}KEY, found no key`);
  switch (method) {
    case 'GET':
      return read(NOTE + key);
    case 'PUT':
      set(NOTE + key, body);
      publish('', 'notes', 'text/plain', body, []);
      info('note kept', key);
      return response(204);
    case 'DELETE':
      state.delete('', { key: NOTE + key, concurrency: 'unspecified', consistency: 'unspecified', metadata: [] });
      info('note deleted', key);
      return response(204);
    default:
      return answer(405, `want GET, PUT or DELETE, found ${method}`);
  }
}

function read(key) {
  const entry = state.get('', key, 'unspecified', []);
  return entry ? response(200, entry.value) : answer(404, 'no such note');
}

function set(key, value) {
  state.set('', { key, value, concurrency: 'unspecified', consistency: 'unspecified', metadata: [] });
}

// An import that fails throws an error whose payload is the WIT variant.
function textOf(error) {
  return error.payload?.val ?? String(error);
}

function info(message, note) {
  log('info', message, [{ key: 'note', value: note }]);
}

function answer(status, text) {
  return response(status, new TextEncoder().encode(`${text}\n`));
}

function response(status, body = new Uint8Array()) {
  return { status, headers: [{ name: 'content-type', value: 'text/plain' }], body };
}
