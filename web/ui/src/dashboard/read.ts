/* Reads drifting JSON: numbers as texts, null for objects, missing arrays. Pure. */
import { JsonObject } from './model';

export const isObject = (v: unknown): v is JsonObject => typeof v === 'object' && v !== null && !Array.isArray(v);
export const object = (v: unknown): JsonObject => (isObject(v) ? v : {});
export const array = (v: unknown): unknown[] => (Array.isArray(v) ? v : []);
export const objects = (v: unknown): JsonObject[] => array(v).filter(isObject);
export const text = (v: unknown, fallback = ''): string => (typeof v === 'string' ? v : typeof v === 'number' || typeof v === 'boolean' ? String(v) : fallback);
export const texts = (v: unknown): string[] => array(v).map((x) => text(x)).filter((x) => x !== '');
export const flag = (v: unknown, fallback = false): boolean => (typeof v === 'boolean' ? v : v === 'true' ? true : v === 'false' ? false : fallback);

export function number(v: unknown): number | null {
  if (typeof v === 'number') return Number.isFinite(v) ? v : null;
  if (typeof v === 'string' && v.trim() !== '') {
    const n = Number(v);
    return Number.isFinite(n) ? n : null;
  }
  return null;
}
