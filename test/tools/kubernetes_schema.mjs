// What Kubernetes' own schema says against objects: node kubernetes_schema.mjs <OBJECTS.json, a list; prints one line for each fault.
//
// kubernetes-models has the schemas that Kubernetes publishes (OpenAPI), compiled into validators. They let fields pass that they do not
// know, as the cluster does, which drops them: a misspelt limit is no limit. A validator asks an object for each field it knows, and
// for all of a map, so a field that it never asked for is not in the schema.
import fs from 'node:fs';
import {createRequire} from 'node:module';

const require = createRequire(import.meta.url);
require.resolve('kubernetes-models');

// The value, and `unknown(at)`: where it has what nobody asked it for.
function watched(value) {
    if (value === null || typeof value !== 'object')
        return {value, unknown: () => []};
    const children = new Map();
    const proxy = new Proxy(value, {
        get(target, key) {
            if (!Object.hasOwn(target, key) || typeof key === 'symbol' || (Array.isArray(target) && key === 'length'))
                return target[key];
            if (!children.has(key))
                children.set(key, watched(target[key]));
            return children.get(key).value;
        },
    });
    const unknown = (at) => Object.keys(value).flatMap((key) => children.get(key)?.unknown(`${at}/${key}`) ?? [`${at}/${key}`]);
    return {value: proxy, unknown};
}

function faults(object) {
    const [version, group] = String(object?.apiVersion).split('/').reverse();
    const name = `${object?.apiVersion} ${object?.kind}`;
    let models = {};
    try {
        models = require(['kubernetes-models', group, version].filter(Boolean).join('/'));
    } catch (e) {
        if (e.code !== 'MODULE_NOT_FOUND' && e.code !== 'ERR_PACKAGE_PATH_NOT_EXPORTED')
            throw e;
    }
    if (!Object.hasOwn(models, object?.kind))
        return [`${name}: there is no such kind`];
    const found = [];
    const {value, unknown} = watched(object);
    try {
        models[object.kind].prototype.validate.call(value);
    } catch (e) {
        if (!e.errors)
            throw e;
        found.push(...e.errors.map((error) => `${name}: ${error.instancePath} ${error.message}`));
    }
    return [...found, ...unknown('').map((at) => `${name}: ${at} is not in the schema`)];
}

for (const fault of JSON.parse(fs.readFileSync(0, 'utf8')).flatMap(faults))
    console.log(fault);
